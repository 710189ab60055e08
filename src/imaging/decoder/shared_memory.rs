//! Memory without a name that two processes share (`memfd_create`, since Linux 3.17), and which may be
//! sealed: then neither can change or cut it. Elsewhere there is none.

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

    /// Whoever has it may read it, and nothing else.
    fn seals() -> SealFlags {
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
    }

    /// New and empty.
    pub fn create() -> io::Result<File> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know memory that cannot be made executable.
        let memory = memfd_create("cxr", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| memfd_create("cxr", flags))?;
        Ok(memory.into())
    }

    /// From now on it is what it is.
    pub fn seal(file: &File) -> io::Result<()> {
        Ok(fcntl_add_seals(file, seals())?)
    }

    /// How many bytes it holds.
    ///
    /// # Errors
    /// If it is no memory, such as a pipe on which a reader would wait for ever: that has no seals.
    pub fn length(file: &File) -> io::Result<u64> {
        if fcntl_get_seals(file).is_err() {
            let why = "no memory";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(fstat(file)?.st_size as u64)
    }

    /// The first bytes of sealed memory, where they lie.
    ///
    /// # Errors
    /// If it is not sealed, or there is no room.
    pub fn map_sealed(file: &File, length: u64) -> io::Result<Mmap> {
        if !fcntl_get_seals(file)?.contains(SealFlags::SHRINK | SealFlags::WRITE) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not sealed"));
        }
        // SAFETY: nothing can change or cut what is sealed so.
        unsafe { MmapOptions::new().len(length as usize).populate().map(file) }
    }

    /// Memory that two processes have mapped for as long as they talk, so that no page of it is taken
    /// or mapped anew for a film. One writes what the other copies once it is told to.
    #[derive(Debug)]
    pub struct SharedWindow(MmapRaw);

    impl SharedWindow {
        /// The two ends of a new one: what another process may map, and our own to read from. Only the
        /// pages that are written to take memory.
        pub fn create(length: u64) -> io::Result<(File, Self)> {
            let file = create()?;
            file.set_len(length)?;
            // A page that is cut away would end whoever touches it.
            fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW)?;
            let mapped = MmapOptions::new().map_raw_read_only(&file)?;
            Ok((file, SharedWindow(mapped)))
        }

        /// The end to write to.
        pub fn open(file: &File) -> io::Result<Self> {
            if !fcntl_get_seals(file)?.contains(SealFlags::SHRINK) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not sealed"));
            }
            MmapOptions::new().map_raw(file).map(SharedWindow)
        }

        pub fn length(&self) -> u64 {
            self.0.len() as u64
        }

        /// From its start on. For the end that was [opened](Self::open); false if there is no room.
        pub fn write(&mut self, bytes: &[u8]) -> bool {
            if bytes.len() > self.0.len() {
                return false;
            }
            // SAFETY: it is mapped for writing, is long enough, cannot be cut, and lies in no slice.
            unsafe {
                self.0
                    .as_mut_ptr()
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
            };
            true
        }

        /// Its first bytes, which the other process might go on changing: any bytes will do.
        pub fn read(&self, to: &mut [MaybeUninit<u8>]) -> io::Result<()> {
            if to.len() > self.0.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // SAFETY: it is mapped, long enough and cannot be cut. No reference is made to it, and
            // bytes are bytes whenever they were written.
            unsafe {
                self.0
                    .as_ptr()
                    .copy_to_nonoverlapping(to.as_mut_ptr().cast(), to.len())
            };
            Ok(())
        }
    }

    /// Sends bytes and with them a descriptor; how many bytes.
    pub fn send(socket: &UnixStream, bytes: &[u8], file: &File) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let bytes = [IoSlice::new(bytes)];
        Ok(sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL)?)
    }

    /// Receives bytes, and a descriptor if one came with them. There is room for one: the system
    /// closes any others.
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
