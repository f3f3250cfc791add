// swift-tools-version: 6.1
import PackageDescription

// CKernels is optimised in debug builds too; otherwise the tests would be too slow. By default clang uses only 256-bit
// vectors on AVX-512 processors.
#if arch(x86_64)
    let vectorWidth = ["-mprefer-vector-width=512"]
#else
    let vectorWidth: [String] = []
#endif
let kernelFlags = ["-O3", "-fno-math-errno", "-ffp-contract=fast", "-fopenmp-simd"] + vectorWidth

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

        .target(name: "CKernels", cSettings: [.headerSearchPath("."), .unsafeFlags(kernelFlags)]),
        // The git commit, which a plugin writes during the build; only the executable imports it, so that a new commit
        // compiles little again.
        .plugin(name: "WriteRevision", capability: .buildTool()),
        .target(name: "Revision", plugins: ["WriteRevision"]),
        .target(name: "System", dependencies: ["CKernels", .product(name: "Logging", package: "swift-log")]),
        .target(name: "MPI", dependencies: ["System", "COpenMPI"]),
        .target(name: "HDF5", dependencies: ["System", "CHDF5", "MPI"]),
        .target(name: "Safetensors", dependencies: ["System"]),
        .target(name: "Configuration", dependencies: ["System", "Yams"]),
        .target(name: "Tensors", dependencies: ["System", "CKernels", "COpenBLAS"]),
        .target(name: "NN", dependencies: ["System", "Tensors"]),
        .target(name: "Distributed", dependencies: ["CKernels", "System", "MPI", "Tensors", "NN"]),
        .target(name: "Jets", dependencies: ["System", "MPI", "HDF5", "Configuration", "Tensors"]),
        .target(name: "Models", dependencies: ["System", "Tensors", "NN"]),
        .target(
            name: "Objectives",
            dependencies: ["System", "MPI", "HDF5", "Configuration", "Tensors", "NN", "Jets", "Models"]),
        .target(name: "Supervision", dependencies: ["System", "MPI", "HDF5", "Configuration", "Tensors"]),
        .target(
            name: "Runs",
            dependencies: [
                "System", "MPI", "HDF5", "Safetensors", "Configuration", "Tensors", "NN", "Distributed", "Jets",
                "Models",
                "Objectives", "Supervision",
            ]),
        .target(
            name: "Training",
            dependencies: [
                "System", "MPI", "HDF5", "Configuration", "Tensors", "NN", "Distributed", "Jets", "Models",
                "Objectives",
                "Supervision", "Runs",
            ]),
        .target(
            name: "Commands",
            dependencies: [
                "System", "MPI", "HDF5", "Safetensors", "Configuration", "Tensors", "NN", "Distributed", "Jets",
                "Models",
                "Objectives", "Supervision", "Runs", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "kaon",
            dependencies: [
                "Revision", "System", "Supervision", "Commands",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // The products on AMX tiles, for processors without them.
        .target(
            name: "CTileEmulation", dependencies: ["CKernels"], path: "Tests/CTileEmulation",
            cSettings: [.headerSearchPath("../../Sources/CKernels"), .unsafeFlags(kernelFlags)]),
        .target(name: "TestSupport", dependencies: ["HDF5", "MPI"], path: "Tests/Support"),
        .target(name: "Golden", dependencies: ["NN", "Safetensors", "Tensors"], path: "Tests/Golden"),
        .target(
            name: "RunSupport",
            dependencies: [
                "Configuration", "HDF5", "Jets", "MPI", "NN", "Runs", "Supervision", "System", "Tensors", "TestSupport",
                "Training",
            ],
            path: "Tests/RunSupport"),
        // Feeds damaged and hostile inputs to the readers; scripts/fuzz.sh runs it.
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "Commands", "Configuration", "HDF5", "Jets", "MPI", "NN", "Objectives", "Runs", "Safetensors",
                "Supervision",
                "System", "Tensors",
            ],
            path: "Tests/Fuzz"),
        // Breaks an invariant on one rank; FatalErrorTests run it.
        .executableTarget(
            name: "fatal", dependencies: ["MPI", "Supervision", "System", "Tensors"], path: "Tests/FatalErrors"),
        .testTarget(name: "SystemTests", dependencies: ["System"]),
        .testTarget(name: "MPITests", dependencies: ["MPI", "TestSupport"]),
        .testTarget(name: "HDF5Tests", dependencies: ["CHDF5", "HDF5", "MPI", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
        .testTarget(name: "SafetensorsTests", dependencies: ["Safetensors", "TestSupport"]),
        .testTarget(name: "TensorsTests", dependencies: ["CKernels", "CTileEmulation", "Golden", "System", "Tensors"]),
        .testTarget(name: "NNTests", dependencies: ["NN", "Tensors", "Golden"]),
        .testTarget(
            name: "DistributedTests",
            dependencies: ["Distributed", "MPI", "NN", "RunSupport", "Tensors", "TestSupport"]),
        .testTarget(
            name: "JetsTests",
            dependencies: ["Configuration", "HDF5", "Jets", "MPI", "Tensors", "Golden", "TestSupport"]),
        .testTarget(name: "ModelsTests", dependencies: ["Models", "NN", "Tensors", "Golden"]),
        .testTarget(
            name: "ObjectivesTests",
            dependencies: [
                "Configuration", "HDF5", "Jets", "Models", "MPI", "NN", "Objectives", "Tensors", "Golden",
                "TestSupport",
            ]),
        .testTarget(
            name: "SupervisionTests",
            dependencies: ["Configuration", "RunSupport", "Supervision", "System", "TestSupport"]),
        .testTarget(
            name: "RunsTests",
            dependencies: [
                "Commands", "Configuration", "HDF5", "Jets", "NN", "Objectives", "Runs", "RunSupport", "Safetensors",
                "System", "Tensors", "TestSupport",
            ]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Configuration", "Distributed", "HDF5", "Jets", "MPI", "Objectives", "Runs", "RunSupport",
                "Supervision",
                "System", "Tensors", "TestSupport", "Training",
            ]),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "Commands", "HDF5", "Jets", "MPI", "Runs", "RunSupport", "Safetensors", "System", "TestSupport",
                "Training",
            ]),
        .testTarget(name: "kaonTests", dependencies: ["HDF5"]),
    ],
    swiftLanguageModes: [.v6]
)
