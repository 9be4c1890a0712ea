"""The API's description (OpenAPI 3.1), made from the routes themselves and one table of operations for each service."""
