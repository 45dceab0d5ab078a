# One instance: pushes that come while a run goes on join it or wait for the next, which elsewhere they could not. Its
# processor is not taken away between requests: a run goes on when its caller has given up. Cloud Run checks who calls and
# then takes the signature off the token, so the program cannot check it again.
resource "google_cloud_run_v2_service" "this" {
  name                = var.name
  location            = var.region
  ingress             = var.ingress
  deletion_protection = false

  template {
    service_account                  = google_service_account.run.email
    timeout                          = "600s"
    max_instance_request_concurrency = 80
    scaling {
      max_instance_count = 1
    }
    containers {
      image = var.image
      args  = ["serve", "--collect", "--ingest", "--allow-unauthenticated"]
      resources {
        limits   = { cpu = "1", memory = "1Gi" }
        cpu_idle = false
      }
      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }
      volume_mounts {
        name       = "secrets"
        mount_path = "/secrets"
      }
    }
    volumes {
      name = "secrets"
      secret {
        secret = google_secret_manager_secret.client.secret_id
        items {
          version = "latest"
          path    = "zoom-client-secret"
        }
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.run]
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  name     = google_cloud_run_v2_service.this.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}

# A task that is killed leaves its lease behind, and its next try elsewhere ends at once while that lasts: the lease is
# short, and the tries are enough to outlast it.
resource "google_cloud_run_v2_job" "backfill" {
  name                = "${var.name}-backfill"
  location            = var.region
  deletion_protection = false

  template {
    task_count  = var.tasks
    parallelism = var.tasks
    template {
      service_account = google_service_account.run.email
      timeout         = "3600s"
      max_retries     = 10
      containers {
        image = var.image
        args  = ["ingest", local.from, "--to=${local.to}", "--rejects=${local.rejects}", "--max-age=none", "--lease=30s"]
        resources {
          limits = { cpu = "1", memory = "1Gi" }
        }
        dynamic "env" {
          for_each = local.environment
          content {
            name  = env.key
            value = env.value
          }
        }
        volume_mounts {
          name       = "secrets"
          mount_path = "/secrets"
        }
      }
      volumes {
        name = "secrets"
        secret {
          secret = google_secret_manager_secret.client.secret_id
          items {
            version = "latest"
            path    = "zoom-client-secret"
          }
        }
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.run]
}
