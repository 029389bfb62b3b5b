"""
The command line, `reports-async`: the only reader of arguments and of the environment.

It shows and asks; what is requested, waited for and written is decided below, by `ReportsClient`.
"""
