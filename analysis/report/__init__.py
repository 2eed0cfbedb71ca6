"""The report: one HTML file that needs no network, and the same in Markdown. It shows figures; statistics/ has them."""
