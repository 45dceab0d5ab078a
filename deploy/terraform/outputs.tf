output "url" {
  description = "URL of the service"
  value       = local.url
}

output "collect_now" {
  description = "Command that starts a collection immediately"
  value       = "gcloud scheduler jobs run ${google_cloud_scheduler_job.collect.name} --location=${var.region} --project=${var.project}"
}

output "ingest_old_objects" {
  description = "Command that ingests existing objects in parallel tasks"
  value       = "gcloud run jobs execute ${google_cloud_run_v2_job.backfill.name} --region=${var.region} --project=${var.project}"
}

output "webhook_url" {
  description = "URL for the event subscription of Zoom's app"
  value       = var.webhook ? "https://${var.name}-webhook-${local.number}.${var.region}.run.app/webhook" : ""
}
