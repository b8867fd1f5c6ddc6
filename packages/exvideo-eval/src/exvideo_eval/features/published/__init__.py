"""The networks that the literature's measures are defined on, loaded from files that a person has."""
