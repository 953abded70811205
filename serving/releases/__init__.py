"""Releases over HTTP: a model's versions, who was champion when, promotions, and what an evaluation found."""
