from .folder import results_page as results_page
