"""
Decisions: functions of values. No await, no clock, no chance, no file.

Time and randomness come in as arguments, so every rule here is tested without an event loop.
"""
