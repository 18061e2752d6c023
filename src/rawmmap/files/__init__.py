"""What the system does with files; the only home of its calls, flags and differences."""
