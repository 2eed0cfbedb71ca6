"""Results for the public: which runs and which of their fields are published, and the page that goes with them."""
