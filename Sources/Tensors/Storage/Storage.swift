/// A block of the arena, returned to it when the last tensor that shares it is released.
final class Storage: @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    private let bytes: Int

    init(bytes: Int) {
        let block = Arena.shared.allocate(bytes: bytes)
        (address, self.bytes) = (block.pointer, block.bytes)
    }

    deinit {
        Arena.shared.free(address, bytes: bytes)
    }
}
