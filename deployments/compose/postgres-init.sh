#!/bin/sh
# Run once by PostgreSQL's image, while its data folder is empty: a database and an account each for Prefect and MLflow.
# Passwords are read by psql itself, so that they stand in no command line.
set -eu
for name in prefect mlflow; do
	psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set name="$name" <<-SQL
		\set password \`cat /run/secrets/${name}_database_password\`
		CREATE ROLE :"name" LOGIN PASSWORD :'password';
		CREATE DATABASE :"name" OWNER :"name";
		REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
	SQL
done
