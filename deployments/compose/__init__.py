"""What `deployments/compose.yaml` needs beside itself: passwords, and the configuration of what watches."""
