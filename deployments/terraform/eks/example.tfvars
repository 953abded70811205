# Copy it to <environment>.tfvars and change every line.
region      = "eu-central-1"
environment = "staging"

# From where kubectl is used.
api_cidrs = ["203.0.113.0/24"]

administrators = ["arn:aws:iam::111122223333:role/platform"]
