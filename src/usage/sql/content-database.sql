-- Prompts and answers lie in a database of their own, which no role of analysts has.
CREATE DATABASE IF NOT EXISTS optamil_content
