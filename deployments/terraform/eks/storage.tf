# The lake and the artifacts of models, the images, and the files that stages hand on.
resource "aws_s3_bucket" "data" {
  bucket        = "${local.name}-${data.aws_caller_identity.current.account_id}"
  force_destroy = !var.protect
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket                  = aws_s3_bucket.data.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  bucket = aws_s3_bucket.data.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

# Delta Lake has versions of its own: what it vacuums is kept for a month, for who vacuumed too much.
resource "aws_s3_bucket_lifecycle_configuration" "data" {
  bucket = aws_s3_bucket.data.id
  rule {
    id     = "superseded"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_ecr_repository" "this" {
  for_each = toset(["sluice-flows", "sluice-serving"])

  name                 = each.value
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.protect

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.this.arn
  }
}

# A claim that pods on all nodes share (ReadWriteMany): Prefect's results are there, whatever is in S3.
resource "aws_efs_file_system" "shared" {
  encrypted        = true
  kms_key_id       = aws_kms_key.this.arn
  throughput_mode  = "elastic"
  performance_mode = "generalPurpose"
  tags             = { Name = local.name }
}

resource "aws_efs_backup_policy" "shared" {
  file_system_id = aws_efs_file_system.shared.id
  backup_policy {
    status = "ENABLED"
  }
}

resource "aws_efs_mount_target" "shared" {
  for_each = aws_subnet.private

  file_system_id  = aws_efs_file_system.shared.id
  subnet_id       = each.value.id
  security_groups = [aws_security_group.inside["files"].id]
}

# What only nodes of the cluster reach, each at its one port.
resource "aws_security_group" "inside" {
  for_each = { files = 2049, postgresql = 5432 }

  name        = "${local.name}-${each.key}"
  description = "From the nodes of ${local.name} to ${each.key}"
  vpc_id      = aws_vpc.this.id

  ingress {
    description     = "From the cluster"
    from_port       = each.value
    to_port         = each.value
    protocol        = "tcp"
    security_groups = [aws_eks_cluster.this.vpc_config[0].cluster_security_group_id]
  }
}
