//! Memory without a name that two processes share (`memfd_create`, since Linux 3.17). It can be sealed:
//! then neither process can change or shorten it. Other systems have none.

#[cfg(target_os = "linux")]
pub(super) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(super) use none::*;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{self, IoSlice, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use memmap2::{Mmap, MmapOptions, MmapRaw};
    use rustix::fs::{
        MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create,
    };
    use rustix::net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    };

    /// Seals that permit reading only.
    fn seals() -> SealFlags {
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
    }

    /// Creates memory, which is empty.
    pub fn create() -> io::Result<File> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know memory that cannot be made executable.
        let memory = memfd_create("cxr", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| memfd_create("cxr", flags))?;
        Ok(memory.into())
    }

    /// Seals memory, so that it never changes again.
    pub fn seal(file: &File) -> io::Result<()> {
        Ok(fcntl_add_seals(file, seals())?)
    }

    /// The length of memory in bytes.
    ///
    /// # Errors
    /// If the descriptor is not such memory: it then has no seals. Reading from a pipe could wait for
    /// ever.
    pub fn length(file: &File) -> io::Result<u64> {
        if fcntl_get_seals(file).is_err() {
            let why = "no memory";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(fstat(file)?.st_size as u64)
    }

    /// Whether memory can no longer change or become shorter.
    pub fn is_sealed(file: &File) -> io::Result<bool> {
        Ok(fcntl_get_seals(file)?.contains(SealFlags::SHRINK | SealFlags::WRITE))
    }

    /// Maps the first bytes of sealed memory. The mapping is private: before Linux 6.7 (and in gVisor) memory
    /// that is sealed against writing cannot be mapped as shared, not even for reading.
    ///
    /// # Errors
    /// If it is not sealed, or there is no address space.
    #[allow(unsafe_code, reason = "a file is mapped")]
    pub fn map_sealed(file: &File, length: u64) -> io::Result<Mmap> {
        if !is_sealed(file)? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not sealed"));
        }
        let mut options = MmapOptions::new();
        // SAFETY: with these seals nothing can change or shorten it.
        unsafe {
            options
                .len(length as usize)
                .populate()
                .map_copy_read_only(file)
        }
    }

    /// Memory that two processes have mapped as long as they talk, so that no page is requested or mapped
    /// again for each film. One writes to it, and then tells the other to copy.
    #[derive(Debug)]
    pub struct SharedWindow(MmapRaw);

    impl SharedWindow {
        /// Creates a window of `length` bytes. Returns a descriptor for the writing process, and the
        /// reading end. Only pages that are written to take memory.
        pub fn create(length: u64) -> io::Result<(File, Self)> {
            let file = create()?;
            file.set_len(length)?;
            // Touching a page that was cut off would end the process.
            fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW)?;
            let mapped = MmapOptions::new().map_raw_read_only(&file)?;
            Ok((file, SharedWindow(mapped)))
        }

        /// Maps the writing end.
        pub fn open(file: &File) -> io::Result<Self> {
            if !fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not sealed"));
            }
            MmapOptions::new().map_raw(file).map(SharedWindow)
        }

        pub fn length(&self) -> u64 {
            self.0.len() as u64
        }

        /// Writes bytes from the start on; false if they do not fit. Only for the end that was
        /// [opened](Self::open).
        #[allow(unsafe_code, reason = "memory that another process maps, too")]
        pub fn write(&mut self, bytes: &[u8]) -> bool {
            if bytes.len() > self.0.len() {
                return false;
            }
            // SAFETY: it is mapped for writing, is long enough, cannot be shortened, and no slice refers
            // to it.
            unsafe {
                self.0
                    .as_mut_ptr()
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
            };
            true
        }

        /// Copies its first bytes. The other process may still change them, and any bytes are valid.
        #[allow(unsafe_code, reason = "memory that another process maps, too")]
        pub fn read(&self, to: &mut [MaybeUninit<u8>]) -> io::Result<()> {
            if to.len() > self.0.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // SAFETY: it is mapped, long enough and cannot be shortened. No reference to it is made, and
            // any bytes are valid, whenever they were written.
            unsafe {
                self.0
                    .as_ptr()
                    .copy_to_nonoverlapping(to.as_mut_ptr().cast(), to.len())
            };
            Ok(())
        }
    }

    /// Sends bytes together with a descriptor. Returns the number of bytes sent.
    pub fn send(socket: &UnixStream, bytes: &[u8], file: &File) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let bytes = [IoSlice::new(bytes)];
        Ok(sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL)?)
    }

    /// Receives bytes, and a descriptor if one came with them. Returns the number of bytes. There is room
    /// for one descriptor: the system closes any others.
    pub fn receive(
        socket: &UnixStream,
        bytes: &mut [u8],
        descriptor: &mut Option<OwnedFd>,
    ) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(bytes)];
        let received = recvmsg(socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                *descriptor = descriptors.last();
            }
        }
        Ok(received.bytes)
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::fs::File;
    use std::io::{self, Read};
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use memmap2::Mmap;

    pub fn create() -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn seal(_: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn length(_: &File) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn is_sealed(_: &File) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn map_sealed(_: &File, _: u64) -> io::Result<Mmap> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[derive(Debug)]
    pub enum SharedWindow {}

    impl SharedWindow {
        pub fn create(_: u64) -> io::Result<(File, Self)> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn open(_: &File) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub fn length(&self) -> u64 {
            match *self {}
        }

        pub fn write(&mut self, _: &[u8]) -> bool {
            match *self {}
        }

        pub fn read(&self, _: &mut [MaybeUninit<u8>]) -> io::Result<()> {
            match *self {}
        }
    }

    pub fn send(_: &UnixStream, _: &[u8], _: &File) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn receive(
        mut socket: &UnixStream,
        bytes: &mut [u8],
        _: &mut Option<OwnedFd>,
    ) -> io::Result<usize> {
        socket.read(bytes)
    }
}
