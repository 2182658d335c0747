"""Reviews: the review itself, who takes part, its terms, window, stage and timeline."""
