resource "google_storage_bucket" "data" {
  name                        = var.bucket
  location                    = local.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  depends_on                  = [google_project_service.needed]
}

resource "google_storage_bucket" "output" {
  count                       = local.separate_output ? 1 : 0
  name                        = local.output_bucket
  location                    = local.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  depends_on                  = [google_project_service.needed]
}

# The program can list, read and create raw records, but can replace or delete only its state and outputs.

resource "google_storage_bucket_iam_member" "read" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.run.member
}

resource "google_storage_bucket_iam_member" "add" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.run.member
}

resource "google_storage_bucket_iam_member" "own" {
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectUser"
  member = google_service_account.run.member
  condition {
    title      = "zoom-udm"
    expression = local.separate_output ? local.is_state : "${local.is_state} || ${local.is_output} || ${local.is_next_to_output}"
  }
}

resource "google_storage_bucket_iam_member" "output" {
  count  = local.separate_output ? 1 : 0
  bucket = google_storage_bucket.output[0].name
  role   = "roles/storage.objectUser"
  member = google_service_account.run.member
}

resource "google_storage_bucket_iam_member" "feed" {
  count  = var.feed_service_account != "" ? 1 : 0
  bucket = google_storage_bucket.data.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${var.feed_service_account}"
}

resource "google_storage_notification" "objects" {
  count              = var.notify ? 1 : 0
  bucket             = google_storage_bucket.data.name
  topic              = google_pubsub_topic.objects[0].id
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = var.prefix
  payload_format     = "JSON_API_V1"
  depends_on         = [google_pubsub_topic_iam_member.objects]
}

resource "google_storage_notification" "sign_ins" {
  count              = var.notify && local.with_sign_ins ? 1 : 0
  bucket             = google_storage_bucket.data.name
  topic              = google_pubsub_topic.objects[0].id
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = local.sign_in_prefix
  payload_format     = "JSON_API_V1"
  depends_on         = [google_pubsub_topic_iam_member.objects]
}

resource "google_storage_notification" "webhooks" {
  count              = var.notify && var.webhook ? 1 : 0
  bucket             = google_storage_bucket.data.name
  topic              = google_pubsub_topic.objects[0].id
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = local.webhook_prefix
  payload_format     = "JSON_API_V1"
  depends_on         = [google_pubsub_topic_iam_member.objects]
}
