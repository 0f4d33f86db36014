-- Everything of Optamil lies in one database, which analysts get as their default.
CREATE DATABASE IF NOT EXISTS optamil
