# The public service for webhooks has an account of its own, which can create and read webhook objects and nothing else.
# It needs no token from callers, because the program checks Zoom's signature. One instance, because each instance
# recognizes only the repeated deliveries that it received itself.
resource "google_service_account" "webhook" {
  count        = var.webhook ? 1 : 0
  account_id   = "${var.name}-webhook"
  display_name = "Zoom webhooks: reception"
  depends_on   = [google_project_service.needed]
}

resource "google_storage_bucket_iam_member" "webhook_add" {
  count  = var.webhook ? 1 : 0
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.webhook[0].member
  condition {
    title      = "zoom-udm"
    expression = local.is_webhook
  }
}

resource "google_storage_bucket_iam_member" "webhook_read" {
  count  = var.webhook ? 1 : 0
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.webhook[0].member
  condition {
    title      = "zoom-udm"
    expression = local.is_webhook
  }
}

# The secret's value is stored by hand, so that it never enters Terraform's state:
#     gcloud secrets versions add NAME-webhook-secret --data-file=-
resource "google_secret_manager_secret" "webhook" {
  count     = var.webhook ? 1 : 0
  secret_id = "${var.name}-webhook-secret"
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "webhook" {
  count     = var.webhook ? 1 : 0
  secret_id = google_secret_manager_secret.webhook[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.webhook[0].member
}

resource "google_cloud_run_v2_service" "webhook" {
  count               = var.webhook ? 1 : 0
  name                = "${var.name}-webhook"
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_ALL"
  deletion_protection = false

  template {
    service_account                  = google_service_account.webhook[0].email
    timeout                          = "10s"
    max_instance_request_concurrency = 1000
    scaling {
      max_instance_count = 1
    }
    containers {
      image = var.image
      args  = ["serve", "--webhook", "--webhook-to=gs://${var.bucket}/${local.webhook_prefix}"]
      resources {
        limits = { cpu = "1", memory = "512Mi" }
      }
      dynamic "env" {
        for_each = local.webhook_environment
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
        secret = google_secret_manager_secret.webhook[0].secret_id
        items {
          version = var.webhook_secret_version
          path    = "zoom-webhook-secret"
        }
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.webhook]
}

resource "google_cloud_run_v2_service_iam_member" "webhook" {
  count    = var.webhook ? 1 : 0
  name     = google_cloud_run_v2_service.webhook[0].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
