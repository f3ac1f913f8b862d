"""What the trials of a sweep say: arms, statistics, claims, importance."""
