"""The console command ``zipseg``: one module a subcommand, all with the same grammar.

A module has ``add_arguments(parser)``, ``check(args)``, which looks at files and values and imports
nothing heavy, and ``run(args)``, which imports what it needs. Imports every folder; none imports
it.
"""
