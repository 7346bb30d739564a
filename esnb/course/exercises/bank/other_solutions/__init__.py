"""Other right solutions, by chapter: shown beside one's own once that is right."""
