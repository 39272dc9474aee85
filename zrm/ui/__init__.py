"""What people see: pages, their assets, the two languages, dates, labels."""
