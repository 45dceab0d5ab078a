# One instance, because pushes that arrive during a run join it or wait for the next run of the same instance. The CPU
# is not throttled between requests, because a run continues when its caller disconnects. The program accepts
# unauthenticated requests because Cloud Run checks the token and strips its signature.
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
          version = var.client_secret_version
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

# A killed task leaves a lease, and its next attempt exits at once until the lease expires. The lease is therefore short,
# and the number of retries is high enough to outlast it.
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
        args  = compact(concat(local.job_arguments, local.includes))
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
            version = var.client_secret_version
            path    = "zoom-client-secret"
          }
        }
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.run]
}
