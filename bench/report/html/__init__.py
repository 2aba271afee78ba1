"""The HTML report: one page that carries its pictures and replies with it."""
