#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/seeds.h"
#include "vision/classifier.h"
#include "vision/options.h"

namespace drystill::vision {

// A classifier with everything that must travel with its weights.
struct LoadedClassifier {
  std::shared_ptr<Classifier> model;
  ImageSpec input;
  std::string architecture;
  std::map<std::string, std::string> metadata;  // of its file; empty for a fresh model
};

// Makes the model that `options` names and, where it names a checkpoint, loads it: safetensors, .pth/.pt or a legacy
// pickle. Architecture and input come from the file's metadata (keys drystill.architecture, drystill.input) or from the
// configuration; what both give must agree, what neither gives is a ConfigError: nothing is guessed from names.
// `input` is the configuration's, if it has one. Fresh weights are drawn from `generator`. `key` begins every message
// about the checkpoint: what names it, "teacher.checkpoint" say.
LoadedClassifier load_classifier(const ModelOptions& options, const std::optional<ImageSpec>& input,
                                 at::Generator generator, const std::string& key = "checkpoint");

// The architecture that a checkpoint's metadata names, or "" where it names none. Reads no weights of a safetensors
// file.
std::string recorded_architecture(const std::string& checkpoint, const std::string& key = "checkpoint");

// Writes weights and metadata, by extension: .safetensors, or .pth/.pt as a state dict for Python (metadata goes along
// only in safetensors). `extra` is added to the metadata. The file appears whole or not at all.
void save_classifier(const std::filesystem::path& path, const Classifier& model, const std::string& architecture,
                     const ImageSpec& input, std::map<std::string, std::string> extra = {});

// ImageSpec as one line of JSON and back; the latter throws InputError naming what is missing or wrong.
std::string to_json(const ImageSpec& input);
ImageSpec image_spec_from_json(const std::string& json, const std::string& source);

}  // namespace drystill::vision
