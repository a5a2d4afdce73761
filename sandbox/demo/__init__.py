"""The demo: payments of every kind through the whole service, their stories live, and checks over all the books."""
