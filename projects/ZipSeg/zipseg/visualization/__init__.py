"""Pictures of what the method sees and finds: overlays, panels of the stages, the HTML report.

Imports ``utils`` to ``evaluation``: a report judges the labels that it shows.
"""
