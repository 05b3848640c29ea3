"""For tests: of jobs, by the pytest plug-in and faults; of backends, by the conformance suite."""
