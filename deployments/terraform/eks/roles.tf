# Roles of service accounts (IRSA): each is for one account of one namespace, and may do what its pods need.
locals {
  issuer = replace(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://", "")

  # Of the chart: who reads or writes the lake and the artifacts.
  writers = toset(["flow-run", "dask-worker", "mlflow"])
  readers = toset(["serving", "exporter"])

  # Of the cluster, by account: namespace, and the policy that AWS keeps for it, where there is one.
  system = {
    ebs-csi-controller-sa        = { namespace = "kube-system", policy = "service-role/AmazonEBSCSIDriverPolicy" }
    efs-csi-controller-sa        = { namespace = "kube-system", policy = "service-role/AmazonEFSCSIDriverPolicy" }
    aws-load-balancer-controller = { namespace = "kube-system", policy = "" }
    cluster-autoscaler           = { namespace = "kube-system", policy = "" }
    external-secrets             = { namespace = "external-secrets", policy = "" }
  }
}

data "aws_iam_policy_document" "account" {
  for_each = merge(
    { for account, one in local.system : account => "${one.namespace}:${account}" },
    { for account in setunion(local.writers, local.readers) : account => "${var.namespace}:${var.release}-${account}" },
  )

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.this.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${each.value}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "data" {
  for_each = setunion(local.writers, local.readers)

  name               = "${local.name}-${each.value}"
  assume_role_policy = data.aws_iam_policy_document.account[each.value].json
}

resource "aws_iam_role_policy" "data" {
  for_each = aws_iam_role.data

  name = "data"
  role = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = aws_s3_bucket.data.arn },
      {
        Effect   = "Allow"
        Action   = concat(["s3:GetObject"], contains(local.writers, each.key) ? ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"] : [])
        Resource = "${aws_s3_bucket.data.arn}/*"
      },
      {
        Effect   = "Allow"
        Action   = concat(["kms:Decrypt"], contains(local.writers, each.key) ? ["kms:GenerateDataKey"] : [])
        Resource = aws_kms_key.this.arn
      },
    ]
  })
}

resource "aws_iam_role" "system" {
  for_each = local.system

  name               = "${local.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.account[each.key].json
}

resource "aws_iam_role_policy_attachment" "system" {
  for_each = { for account, one in local.system : account => one.policy if one.policy != "" }

  role       = aws_iam_role.system[each.key].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/${each.value}"
}

# Its policy is long and belongs to its version: docs/eks.md says where it is fetched from.
resource "aws_iam_role_policy" "load_balancers" {
  name   = "load-balancers"
  role   = aws_iam_role.system["aws-load-balancer-controller"].id
  policy = file("${path.module}/load-balancer-policy.json")
}

resource "aws_iam_role_policy" "autoscaler" {
  name = "nodes"
  role = aws_iam_role.system["cluster-autoscaler"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
          "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities", "autoscaling:DescribeTags",
          "ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions",
          "ec2:GetInstanceTypesFromInstanceRequirements",
        ]
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = "eks:DescribeNodegroup"
        Resource = "arn:${data.aws_partition.current.partition}:eks:${var.region}:${data.aws_caller_identity.current.account_id}:nodegroup/${local.name}/*"
      },
      {
        Effect    = "Allow"
        Action    = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
        Resource  = "arn:${data.aws_partition.current.partition}:autoscaling:${var.region}:${data.aws_caller_identity.current.account_id}:autoScalingGroup:*"
        Condition = { StringEquals = { "aws:ResourceTag/k8s.io/cluster-autoscaler/${local.name}" = "owned" } }
      },
    ]
  })
}

# The entries that docs/eks.md makes, and no others.
resource "aws_iam_role_policy" "secrets" {
  name = "secrets"
  role = aws_iam_role.system["external-secrets"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = "arn:${data.aws_partition.current.partition}:secretsmanager:${var.region}:${data.aws_caller_identity.current.account_id}:secret:sluice/${var.environment}/*"
      },
      { Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.this.arn },
    ]
  })
}
