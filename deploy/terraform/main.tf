terraform {
  # Conditions that name other variables.
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

data "google_project" "this" {
  project_id = var.project
}

# Makes Cloud Storage's agent where there is none yet: until then nothing can be granted to it.
data "google_storage_project_service_account" "agent" {
  count      = var.notify ? 1 : 0
  depends_on = [google_project_service.needed]
}

locals {
  number        = data.google_project.this.number
  location      = var.location != "" ? var.location : var.region
  output_bucket = var.output_bucket != "" ? var.output_bucket : var.bucket
  apart         = local.output_bucket != var.bucket

  pubsub_agent = "serviceAccount:service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  # Cloud Run's address of a service, known before there is one.
  url = "https://${var.name}-${local.number}.${var.region}.run.app"

  from     = "gs://${var.bucket}/${var.prefix}"
  to       = "gs://${local.output_bucket}/${var.output_prefix}"
  beside   = trimsuffix(var.output_prefix, "/")
  rejects  = "gs://${local.output_bucket}/${local.beside}.rejects/"
  in_state = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${dirname(var.state_key)}/\")"
  in_udm   = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${var.output_prefix}\")"
  near_udm = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${local.beside}.\")"

  environment = {
    GOOGLE_CLOUD_PROJECT    = var.project
    GCS_BUCKET              = var.bucket
    GCS_PREFIX              = var.prefix
    STATE_KEY               = var.state_key
    ZOOM_ACCOUNT_ID         = var.zoom_account_id
    ZOOM_CLIENT_ID          = var.zoom_client_id
    ZOOM_CLIENT_SECRET_FILE = "/secrets/zoom-client-secret"
    INGEST_TO               = local.to
    INGEST_REJECTS          = local.rejects
  }
}

resource "google_project_service" "needed" {
  for_each           = toset(["cloudscheduler.googleapis.com", "iam.googleapis.com", "pubsub.googleapis.com", "run.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com"])
  service            = each.value
  disable_on_destroy = false
}

resource "google_service_account" "run" {
  account_id   = "${var.name}-run"
  display_name = "Zoom operation logs: collects and ingests"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "push" {
  account_id   = "${var.name}-push"
  display_name = "Zoom operation logs: pushes messages"
  depends_on   = [google_project_service.needed]
}

# The secret's value is stored by hand, so that it is in no state of Terraform:
#     gcloud secrets versions add NAME-client-secret --data-file=-
resource "google_secret_manager_secret" "client" {
  secret_id = "${var.name}-client-secret"
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "run" {
  secret_id = google_secret_manager_secret.client.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.run.member
}
