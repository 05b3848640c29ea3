"""The runner: programs, jobs and tasks on Ray. The only part of the core that imports ray."""
