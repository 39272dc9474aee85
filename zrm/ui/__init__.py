"""What people read: pages, their assets, the two languages, dates, labels."""
