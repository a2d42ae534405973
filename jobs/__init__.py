"""What runs by itself. The table of jobs and their clock: jobs/clock.py; each job is a few lines of its own."""
