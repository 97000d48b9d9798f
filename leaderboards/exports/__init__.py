"""A board for other places: spreadsheets, papers, READMEs."""
