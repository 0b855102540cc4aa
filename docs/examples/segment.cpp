// ./segment model.onnx photo.jpg mask.png
// g++ -std=c++17 segment.cpp -o segment $(pkg-config --cflags --libs opencv4) -lonnxruntime

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

// A number or a word of the contract, a flat JSON object; use a JSON library if you have one.
std::string entry(const std::string& json, const std::string& key) {
    const auto start = json.find('"' + key + "\": ") + key.size() + 4;
    return json.substr(start, json.find_first_of(",}", start) - start);
}

int main(int, char** arguments) {
    Ort::Env env;
    Ort::Session session(env, arguments[1], Ort::SessionOptions{});
    Ort::AllocatorWithDefaultOptions allocator;
    const std::string contract =
        session.GetModelMetadata().LookupCustomMetadataMapAllocated("contract", allocator).get();
    const int size = std::stoi(entry(contract, "size"));

    cv::Mat image, square, stretched;
    cv::cvtColor(cv::imread(arguments[2]), image, cv::COLOR_BGR2RGB);
    const cv::Size shrunk(std::min(image.cols, size), std::min(image.rows, size));
    cv::resize(image, square, shrunk, 0, 0, cv::INTER_AREA);
    cv::resize(square, square, {size, size}, 0, 0, cv::INTER_LINEAR);

    const std::array<int64_t, 4> shape{1, size, size, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    Ort::Value input = Ort::Value::CreateTensor<uint8_t>(
        memory, square.data, square.total() * 3, shape.data(), shape.size());
    const char *takes = "image", *gives = "probability";
    auto outputs = session.Run(Ort::RunOptions{}, &takes, &input, 1, &gives, 1);

    const cv::Mat probability(size, size, CV_32F, outputs[0].GetTensorMutableData<float>());
    cv::resize(probability, stretched, image.size());
    cv::Mat lesion = stretched > std::stof(entry(contract, "threshold"));

    cv::Mat labels, stats, centroids;
    if (entry(contract, "largest_region") == "true") {
        const int count = cv::connectedComponentsWithStats(lesion, labels, stats, centroids, 8);
        int largest = 0;  // 0 is the background
        for (int label = 1; label < count; ++label)
            if (!largest || stats.at<int>(label, cv::CC_STAT_AREA) > stats.at<int>(largest, cv::CC_STAT_AREA))
                largest = label;
        if (largest) lesion = labels == largest;
    }
    if (entry(contract, "fill_holes") == "true") {  // background that does not reach the edge
        cv::Mat background;
        cv::copyMakeBorder(~lesion, background, 1, 1, 1, 1, cv::BORDER_CONSTANT, 255);
        cv::connectedComponents(background, labels, 4);
        cv::Mat filled = labels != labels.at<int>(0, 0);
        lesion = filled({1, 1, lesion.cols, lesion.rows}).clone();
    }
    return cv::imwrite(arguments[3], lesion) ? 0 : 1;
}
