"""What a person or a program reads while a sweep runs."""
