terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Where the state is kept is the account's own: terraform init -backend-config=backend.hcl. It holds no password, for
  # RDS makes and keeps that itself.
  backend "s3" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "sluice", environment = var.environment }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  name = "sluice-${var.environment}"
}
