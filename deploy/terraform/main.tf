terraform {
  # 1.9: validation conditions can refer to other variables.
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

# Creates Cloud Storage's service agent if it does not exist; a grant to it fails before that.
data "google_storage_project_service_account" "agent" {
  count      = var.notify ? 1 : 0
  depends_on = [google_project_service.needed]
}

locals {
  number        = data.google_project.this.number
  location      = var.location != "" ? var.location : var.region
  output_bucket = var.output_bucket != "" ? var.output_bucket : var.bucket

  # Whether events go to a bucket of their own.
  separate_output = local.output_bucket != var.bucket

  pubsub_agent = "serviceAccount:service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  # The URL that Cloud Run will give the service; it is known before the service exists.
  url = "https://${var.name}-${local.number}.${var.region}.run.app"

  # Sign-ins and webhooks are stored next to operation logs. Ingest reads these directories of their common parent, and
  # nothing else that is there. The name of that of sign-ins is the one that `collect` uses.
  with_sign_ins  = var.logs != "operation"
  raw_directory  = trimsuffix(var.prefix, "/")
  parent         = dirname(local.raw_directory)
  directory      = basename(local.raw_directory)
  sign_ins       = local.directory == "operationlogs" ? "signins" : "${local.directory}-signins"
  sign_in_prefix = "${local.parent}/${local.sign_ins}/"
  webhook_prefix = "${local.parent}/webhooks/"
  reads_parent   = local.with_sign_ins || var.webhook
  source_prefix  = local.reads_parent ? "${local.parent}/" : var.prefix

  include_logs     = local.reads_parent ? "--include=${local.directory}/**" : ""
  include_sign_ins = local.with_sign_ins ? "--include=${local.sign_ins}/**" : ""
  include_webhooks = var.webhook ? "--include=webhooks/**" : ""
  includes         = [local.include_logs, local.include_sign_ins, local.include_webhooks]

  from        = "gs://${var.bucket}/${local.source_prefix}"
  to          = "gs://${local.output_bucket}/${var.output_prefix}"
  output_base = trimsuffix(var.output_prefix, "/")
  rejects     = "gs://${local.output_bucket}/${local.output_base}.rejects/"

  job_arguments = ["ingest", local.from, "--to=${local.to}", "--rejects=${local.rejects}", "--max-age=none", "--lease=30s"]

  # IAM conditions: objects next to the state, events, objects next to the events (rejects, ledger), and webhooks.
  is_state          = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${dirname(var.state_key)}/\")"
  is_output         = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${var.output_prefix}\")"
  is_next_to_output = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${local.output_base}.\")"
  is_webhook        = "resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/${local.webhook_prefix}\")"

  webhook_environment = {
    GOOGLE_CLOUD_PROJECT           = var.project
    ZOOM_WEBHOOK_SECRET_TOKEN_FILE = "/secrets/zoom-webhook-secret"
  }

  environment = {
    INGEST_FLAGS            = join(" ", compact(local.includes))
    GOOGLE_CLOUD_PROJECT    = var.project
    COLLECT_LOGS            = var.logs
    GCS_BUCKET              = var.bucket
    GCS_PREFIX              = var.prefix
    STATE_KEY               = var.state_key
    ZOOM_ACCOUNT_ID         = var.zoom_account_id
    ZOOM_CLIENT_ID          = var.zoom_client_id
    ZOOM_CLIENT_SECRET_FILE = "/secrets/zoom-client-secret"
    INGEST_FROM             = local.from
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
  display_name = "Zoom operation logs: collection and ingestion"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "push" {
  account_id   = "${var.name}-push"
  display_name = "Zoom operation logs: push subscriptions"
  depends_on   = [google_project_service.needed]
}

# The secret's value is stored by hand, so that it never enters Terraform's state:
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
