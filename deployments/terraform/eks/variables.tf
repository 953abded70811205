variable "region" {
  description = "Where everything is."
  type        = string
}

variable "environment" {
  description = "dev, staging or prod: in every name, and as in helm/values-<environment>.yaml."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment is dev, staging or prod."
  }
}

variable "kubernetes_version" {
  description = "Of those that EKS offers, one that the chart is for (1.29 to 1.36)."
  type        = string
  default     = "1.34"
}

variable "namespace" {
  description = "Namespace of the chart's release; roles are for its service accounts alone."
  type        = string
  default     = "mlops"
}

variable "release" {
  description = "Name of the chart's release, with which the names of its service accounts begin."
  type        = string
  default     = "sluice"
}

variable "network" {
  description = "Addresses of the VPC: a /16, of which three zones take a public and a private part each."
  type        = string
  default     = "10.20.0.0/16"
}

variable "api_cidrs" {
  description = "Who may reach the cluster's API from outside. Empty: nobody, it is reached from inside of the VPC only."
  type        = list(string)
  default     = []
}

variable "administrators" {
  description = "ARNs of roles that administer the cluster."
  type        = list(string)
}

variable "general_nodes" {
  description = "Nodes that are always there: servers, serving, monitoring."
  type        = object({ types = list(string), min = number, max = number })
  default     = { types = ["m7i.xlarge"], min = 2, max = 5 }
}

variable "spot_nodes" {
  description = "Nodes for Dask workers and for stages that are done again without harm. Several types, so that one is to be had."
  type        = object({ types = list(string), min = number, max = number })
  default     = { types = ["m7i.2xlarge", "m6i.2xlarge", "m7a.2xlarge", "m6a.2xlarge"], min = 0, max = 10 }
}

variable "gpu_nodes" {
  description = "Nodes for runs that ask for a GPU; none while nobody does."
  type        = object({ types = list(string), min = number, max = number })
  default     = { types = ["g6.xlarge"], min = 0, max = 2 }
}

variable "database_class" {
  description = "Size of the PostgreSQL of Prefect and MLflow."
  type        = string
  default     = "db.t4g.medium"
}

variable "protect" {
  description = "Whether buckets, database and files outlive terraform destroy: it refuses to remove them."
  type        = bool
  default     = true
}
