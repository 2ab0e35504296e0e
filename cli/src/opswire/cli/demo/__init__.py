"""`./just demo`: the main job on a system that is started for it, each step checked as a test would."""
