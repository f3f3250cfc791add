internal import CHDF5

extension Dataset {
    /// Throws `HDF5Error` if the chunks have a filter that this library does not have.
    package func checkFilters() throws {
        guard isFiltered else { return }
        let operation = "read \(place)"
        let creation = try Handle(operation, closedBy: H5Pclose) { H5Dget_create_plist(handle.id) }
        for index in 0..<max(0, HDF5Library.locked { H5Pget_nfilters(creation.id) }) {
            var (flags, configuration, count): (UInt32, UInt32, Int) = (0, 0, 0)
            let (id, name) = try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
                name.initialize(repeating: 0)
                let id = try HDF5Library.call(operation) {
                    H5Pget_filter2(
                        creation.id, UInt32(index), &flags, &count, nil, name.count - 1, name.baseAddress,
                        &configuration)
                }
                return (id, String(cString: name.baseAddress!))
            }
            // Also filters that are optional when writing are needed to read the chunks that have them.
            guard HDF5Library.locked({ H5Zfilter_avail(id) > 0 }) else {
                throw HDF5Error(
                    operation: operation, reason: HDF5Error.missingFilter(Self.filterNames[id] ?? "\(name) (\(id))"))
            }
        }
    }

    /// The names of registered filters (https://github.com/HDFGroup/hdf5_plugins), because files may lack them.
    private static let filterNames: [H5Z_filter_t: String] = [
        1: "deflate (gzip)", 4: "szip", 307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle",
        32013: "zfp", 32015: "zstd", 32017: "sz", 32018: "fcidecomp", 32019: "jpeg", 32024: "sz3", 32026: "blosc2",
    ]
}
