"""Ray: where trials run, and the stages of a sweep as runs of Ray Tune."""
