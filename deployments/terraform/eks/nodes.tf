# Three groups. Pods find the second and the third by a label, and have to bear their taint: helm/eks.yaml.
locals {
  groups = {
    general = { nodes = var.general_nodes, capacity = "ON_DEMAND", image = "AL2023_x86_64_STANDARD", taints = {} }
    spot = {
      nodes    = var.spot_nodes
      capacity = "SPOT"
      image    = "AL2023_x86_64_STANDARD"
      taints   = { "sluice.example.com/pool" = "spot" }
    }
    gpu = {
      nodes    = var.gpu_nodes
      capacity = "ON_DEMAND"
      image    = "AL2023_x86_64_NVIDIA"
      taints   = { "nvidia.com/gpu" = "present" }
    }
  }
}

resource "aws_eks_node_group" "this" {
  for_each = local.groups

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [for subnet in aws_subnet.private : subnet.id]
  ami_type        = each.value.image
  capacity_type   = each.value.capacity
  instance_types  = each.value.nodes.types
  labels          = { "sluice.example.com/pool" = each.key }

  scaling_config {
    min_size     = each.value.nodes.min
    max_size     = each.value.nodes.max
    desired_size = each.value.nodes.min
  }

  update_config {
    max_unavailable = 1
  }

  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }

  dynamic "taint" {
    for_each = each.value.taints
    content {
      key    = taint.key
      value  = taint.value
      effect = "NO_SCHEDULE"
    }
  }

  # How many there are is the autoscaler's to say.
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.network]
}

resource "aws_launch_template" "node" {
  name_prefix = "${local.name}-"

  # A pod does not reach the node's own account: one hop ends at the node.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 100
      volume_type = "gp3"
      encrypted   = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = local.name, project = "sluice", environment = var.environment }
  }
}

resource "aws_iam_role" "node" {
  name = "${local.name}-node"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])

  role       = aws_iam_role.node.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/${each.value}"
}
