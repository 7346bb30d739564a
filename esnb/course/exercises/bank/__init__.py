"""The exercises: one module for each chapter and capstone."""
