"""The course around the package: figures, widgets, exercises, and the classroom."""
