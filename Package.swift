// swift-tools-version: 6.1
import PackageDescription

// The vectorised loops are optimised in debug builds too, or the tests would crawl; and clang uses but half of the width of
// AVX-512 unless it is told.
#if arch(x86_64)
    let vectorWidth = ["-mprefer-vector-width=512"]
#else
    let vectorWidth: [String] = []
#endif

let package = Package(
    name: "kaon",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "kaon", targets: ["kaon"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // System libraries: a module map and a shim for the macros that Swift cannot import.
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5-openmpi", providers: [.apt(["libhdf5-openmpi-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),

        .target(
            name: "CKernels",
            cSettings: [
                .unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=fast", "-fopenmp-simd"] + vectorWidth)
            ]),
        .target(name: "MPI", dependencies: ["COpenMPI"]),
        .target(name: "HDF5", dependencies: ["CHDF5", "MPI"]),
        .target(name: "Configuration", dependencies: ["Yams"]),
        .target(name: "Safetensors"),
        .target(name: "Tensors", dependencies: ["CKernels", "COpenBLAS"]),
        .target(name: "NN", dependencies: ["Tensors"]),
        .target(name: "Jets", dependencies: ["Tensors", "HDF5", "MPI", "Configuration"]),
        .target(name: "Models", dependencies: ["NN"]),
        .target(name: "Objectives", dependencies: ["Models", "Jets", "Configuration"]),
        .target(
            name: "Training",
            dependencies: [
                "Objectives", "Configuration", "Safetensors", "CKernels", .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "kaon",
            dependencies: ["Training", "Objectives", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

        .target(name: "TestSupport", dependencies: ["HDF5", "MPI"], path: "Tests/Support"),
        // Feeds damaged and hostile inputs to the readers; scripts/fuzz.sh runs it.
        .executableTarget(name: "fuzz", dependencies: ["Training", "Safetensors"], path: "Tests/Fuzz"),
        .testTarget(name: "MPITests", dependencies: ["MPI", "TestSupport"]),
        .testTarget(name: "HDF5Tests", dependencies: ["HDF5", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
        .testTarget(name: "SafetensorsTests", dependencies: ["Safetensors", "TestSupport"]),
        .target(name: "Golden", dependencies: ["NN", "Safetensors"], path: "Tests/Golden"),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", "Golden"]),
        .testTarget(name: "NNTests", dependencies: ["NN", "Golden"]),
        .testTarget(name: "JetsTests", dependencies: ["Jets", "Golden", "TestSupport"]),
        .testTarget(name: "ModelsTests", dependencies: ["Models", "Golden"]),
        .testTarget(name: "ObjectivesTests", dependencies: ["Objectives", "Golden", "TestSupport"]),
        .testTarget(name: "TrainingTests", dependencies: ["Training", "TestSupport"]),
        .testTarget(name: "kaonTests", dependencies: ["HDF5"]),
    ],
    swiftLanguageModes: [.v6]
)
