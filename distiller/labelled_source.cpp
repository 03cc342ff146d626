#include "distiller/labelled_source.h"

#include "core/error.h"

namespace drystill::distiller {

LabelledSource::LabelledSource(std::shared_ptr<const vision::ImageSource> images, const vision::ImageSpec& image,
                               const vision::AugmentOptions& augment, std::int64_t batch, torch::Device device,
                               torch::ScalarType dtype, SeedStreams& seeds)
    : images_(std::move(images)),
      normalise_(image, device),
      augment_(augment),
      batch_(batch),
      device_(device),
      dtype_(dtype),
      shuffle_(seeds.cpu_stream("data.shuffle")),
      augmentation_(seeds.cpu_stream("augment.data")) {
  if (images_->size() < batch_) {
    throw InputError("the training set has " + std::to_string(images_->size()) + " images, fewer than one batch of " +
                     std::to_string(batch_) + "; lower `batch`");
  }
}

Batch LabelledSource::next(const curriculum::StagePlan&) {
  if (!order_.defined() || position_ + batch_ > images_->size()) {
    order_ = torch::randperm(images_->size(), shuffle_, torch::TensorOptions(torch::kInt64));
    position_ = 0;
    stream_.reset();
  }
  if (!stream_) stream_ = images_->stream(order_.narrow(0, position_, images_->size() - position_), batch_);
  const auto raw = stream_->next();
  TORCH_CHECK(raw && raw->images.size(0) == batch_, "[distiller.LabelledSource] the stream ended before its order did");
  position_ += batch_;

  torch::NoGradGuard no_grad;
  torch::Tensor images = vision::to_unit(raw->images.to(device_));
  images = vision::augment(images, augment_, augmentation_);
  Batch batch;
  batch.inputs = normalise_(images).to(dtype_);
  batch.labels = raw->labels.to(device_);
  return batch;
}

void LabelledSource::save(StateWriter writer) const {
  writer.integer("position", position_);
  if (order_.defined()) writer.tensor("order", order_);
}

void LabelledSource::load(const StateReader& reader) {
  stream_.reset();
  position_ = reader.integer("position");
  if (!reader.has_tensor("order")) {
    order_ = torch::Tensor();
    return;
  }
  order_ = reader.tensor("order").clone();
  if (order_.dim() != 1 || order_.size(0) != images_->size() || position_ < 0 || position_ > images_->size()) {
    throw InputError("the saved run shuffled " + std::to_string(order_.numel()) +
                     " training images, this data set has " + std::to_string(images_->size()));
  }
}

}  // namespace drystill::distiller
