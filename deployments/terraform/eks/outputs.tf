# What the next steps of docs/eks.md need: terraform output -raw NAME
output "cluster" {
  description = "For aws eks update-kubeconfig --name."
  value       = aws_eks_cluster.this.name
}

output "images" {
  description = "Where images are pushed."
  value       = { for name, one in aws_ecr_repository.this : name => one.repository_url }
}

output "database" {
  description = "Host of PostgreSQL, and the secret with its administrator's password."
  value       = { host = aws_db_instance.this.address, secret = aws_db_instance.this.master_user_secret[0].secret_arn }
}

output "files" {
  description = "File system of the storage class that the chart's claim has."
  value       = aws_efs_file_system.shared.id
}

output "system_roles" {
  description = "Roles of controllers, by service account."
  value       = { for account, role in aws_iam_role.system : account => role.arn }
}

# terraform output -raw values > values-aws.yaml
output "values" {
  description = "The chart's values that only this account knows."
  value = yamlencode({
    storage = {
      lakeUri      = "s3://${aws_s3_bucket.data.id}/lake"
      artifactsUri = "s3://${aws_s3_bucket.data.id}/artifacts"
      volume       = { accessModes = ["ReadWriteMany"], storageClass = "efs" }
    }
    # The load balancer asks pods from the addresses of the VPC.
    networkPolicy = { ingressController = { cidrs = [var.network] } }
    externalSecrets = {
      entries = { for entry in ["platform", "postgresql", "mongodb"] : entry => "sluice/${var.environment}/${entry}" }
    }
    settings        = { AWS_REGION = var.region }
    serviceAccounts = { for account, role in aws_iam_role.data : account => { annotations = { "eks.amazonaws.com/role-arn" = role.arn } } }
    images = {
      flows   = { repository = aws_ecr_repository.this["sluice-flows"].repository_url }
      serving = { repository = aws_ecr_repository.this["sluice-serving"].repository_url }
    }
  })
}
